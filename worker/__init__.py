"""The staked process that is drawn, computes, commits, reveals and is paid."""
