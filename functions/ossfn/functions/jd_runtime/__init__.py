"""What runs a JD Cloud function, `def handler(event, context)`, as it is.

A folder of its own, because functions-framework lets the author's code import what lies beside the file it serves.
"""
