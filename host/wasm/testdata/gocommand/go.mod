module gocommand

go 1.26.0
