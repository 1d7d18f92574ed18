"""The contracts' ABI: words of calls and logs to values and back."""
