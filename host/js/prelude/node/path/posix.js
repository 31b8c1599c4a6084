(function (native) { return native.part('node/path.js'); });
