module words

go 1.26.0
