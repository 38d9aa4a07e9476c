"""Parts of the benchmark: the query mix, the servers, the load, what /proc says, and the report."""
