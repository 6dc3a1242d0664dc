"""Classes that columns separate: looked for during a fit, fitted in the limit, told.

``watch`` looks for separation in the passes of Newton's method, ``class_ranges`` in the
ranges of columns by class, ``limiting`` solves what is left, ``report`` says what was
found. The mathematics is in ``inference``.
"""
