"""What every HTTP call goes through before and after its endpoint."""
