"""What the numbers of a store say: planes, clusters, averages, metrics. numpy in, numpy out."""
