"""A worker: owners of partitions, each with its state, its positions and its one way of writing (design 2.1).

``run`` starts it, ``manager`` follows the assignment, ``raw_owner`` and ``clean_owner`` fold, ``recovery`` restores,
``lease`` says how long. Faust itself is met in ``pipeline.app`` and ``pipeline.kafka.transport`` alone.
"""
