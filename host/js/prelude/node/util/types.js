(function (native) { return { exports: native.part('node/util.js').exports.types }; });
