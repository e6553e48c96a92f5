"""What every module may use and no business word appears in."""
