"""One job: drafted, priced, posted, followed, and its results."""
