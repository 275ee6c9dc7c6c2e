"""The fault suite: ``rig`` is a deployment, ``troubles`` what is done to it, ``mixes`` what is drawn from a seed.

``test_failpoints`` kills workers at named points, ``test_mixes`` runs each fault alone; ``make faults SEEDS=…`` more.
"""
