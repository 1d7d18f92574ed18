"""Its tests share one network, which ends with the last of them."""
