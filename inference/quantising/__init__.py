"""From floats to integers, whatever the family: ranges, formats, matrix products."""
