// The constructors that make functions of text.
(function (native) {
  return { Function, AsyncFunction: (async () => {}).constructor, GeneratorFunction: (function* () {}).constructor };
});
