(function () { return { exports: console }; });
