module gofunction

go 1.26.0
