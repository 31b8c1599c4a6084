module conformance

go 1.26.0

require github.com/postern/postern v0.0.0

replace github.com/postern/postern => ../../..
