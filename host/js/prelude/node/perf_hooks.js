(function () { return { exports: { performance, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure } }; });
