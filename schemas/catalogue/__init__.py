"""What is declared: fields, event types and metrics, each once; whatever reads or tells of them is made from this.

``fields`` says what a field may hold, ``models`` makes the pydantic models that are the authority on form.
"""
