module github.com/postern/postern/plugins/hmac-signature

go 1.26.0

require github.com/postern/postern v0.0.0

// The SDK is in this repository. A project of your own requires a released version instead.
replace github.com/postern/postern => ../..
