(function () { return { exports: process }; });
