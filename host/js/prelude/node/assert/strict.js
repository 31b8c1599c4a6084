(function (native) { return { exports: native.part('node/assert.js').exports.strict }; });
