package js_test

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/wasm"
)

// onQuickJS is how the names of tests begin that run on QuickJS.
const onQuickJS = "TestQuickJS/"

func isQuickJS(t testing.TB) bool { return strings.HasPrefix(t.Name(), onQuickJS) }

// quickJS is one runtime for all tests, as a process has one.
var quickJS = sync.OnceValue(func() host.Runtime {
	w, err := wasm.New(wasm.Options{})
	if err != nil {
		panic(err)
	}
	r, err := quickjs.New(quickjs.Options{Engine: w.Engine()})
	if err != nil {
		panic(err)
	}
	return r
})

// both are the tests that hold on both runtimes.
var both = map[string]func(*testing.T){
	"TestDeadlinePassesInABuiltIn":           TestDeadlinePassesInABuiltIn,
	"TestAsyncLocalStorageEndsWithTheCall":   TestAsyncLocalStorageEndsWithTheCall,
	"TestBodies":                             TestBodies,
	"TestBodyBreaksOff":                      TestBodyBreaksOff,
	"TestBodyEncoding":                       TestBodyEncoding,
	"TestBodyStreamsIn":                      TestBodyStreamsIn,
	"TestBodyStreamsOut":                     TestBodyStreamsOut,
	"TestBodyThatWasCancelledIsNoReason":     TestBodyThatWasCancelledIsNoReason,
	"TestBothHalvesStreamAtOnce":             TestBothHalvesStreamAtOnce,
	"TestBrokenSources":                      TestBrokenSources,
	"TestByteStream":                         TestByteStream,
	"TestCallerLeavesAtEveryPoint":           TestCallerLeavesAtEveryPoint,
	"TestCodeMadeOfText":                     TestCodeMadeOfText,
	"TestConcurrentCalls":                    TestConcurrentCalls,
	"TestConsole":                            TestConsole,
	"TestConsoleTable":                       TestConsoleTable,
	"TestContext":                            TestContext,
	"TestCryptoBounds":                       TestCryptoBounds,
	"TestCryptoWhileLoading":                 TestCryptoWhileLoading,
	"TestDeadlines":                          TestDeadlines,
	"TestDeepJSON":                           TestDeepJSON,
	"TestDerivationEndsWithTheCall":          TestDerivationEndsWithTheCall,
	"TestDifferential":                       TestDifferential,
	"TestEnvironmentAtLoad":                  TestEnvironmentAtLoad,
	"TestErrorsHaveTheUsersPlace":            TestErrorsHaveTheUsersPlace,
	"TestEveryExportForm":                    TestEveryExportForm,
	"TestFetch":                              TestFetch,
	"TestFetchEndsWithTheCall":               TestFetchEndsWithTheCall,
	"TestFetchHandler":                       TestFetchHandler,
	"TestFetchKeepsCredentialsAtTheirOrigin": TestFetchKeepsCredentialsAtTheirOrigin,
	"TestFetchRefused":                       TestFetchRefused,
	"TestFetchStreams":                       TestFetchStreams,
	"TestFilterBodiesTakeLittleMemory":       TestFilterBodiesTakeLittleMemory,
	"TestFilterFails":                        TestFilterFails,
	"TestFilterFailsAndGoesOn":               TestFilterFailsAndGoesOn,
	"TestFilterRequest":                      TestFilterRequest,
	"TestFilterResponse":                     TestFilterResponse,
	"TestFilterThatStallsItsBody":            TestFilterThatStallsItsBody,
	"TestForms":                              TestForms,
	"TestFormsHaveAsManyPartsEitherWay":      TestFormsHaveAsManyPartsEitherWay,
	"TestFunctionBody":                       TestFunctionBody,
	"TestFunctionContext":                    TestFunctionContext,
	"TestFunctionResults":                    TestFunctionResults,
	"TestHalvesHaveTheirOwnEffects":          TestHalvesHaveTheirOwnEffects,
	"TestHeaders":                            TestHeaders,
	"TestInspect":                            TestInspect,
	"TestInstancesAreApart":                  TestInstancesAreApart,
	"TestKeysAreMadeOneByOne":                TestKeysAreMadeOneByOne,
	"TestKeysShowCopies":                     TestKeysShowCopies,
	"TestLargeBodiesTakeLittleMemory":        TestLargeBodiesTakeLittleMemory,
	"TestLargeKeys":                          TestLargeKeys,
	"TestLimits":                             TestLimits,
	"TestLoadLoopsForEver":                   TestLoadLoopsForEver,
	"TestLogLimitsOfAPlugin":                 TestLogLimitsOfAPlugin,
	"TestLongComputationsLeaveACore":         TestLongComputationsLeaveACore,
	"TestManyFailuresKeepMemoryFlat":         TestManyFailuresKeepMemoryFlat,
	"TestMapEverywhere":                      TestMapEverywhere,
	"TestMapOfAScript":                       TestMapOfAScript,
	"TestMapping":                            TestMapping,
	"TestMetricsOfAScript":                   TestMetricsOfAScript,
	"TestModulesOfNode":                      TestModulesOfNode,
	"TestNamedTransforms":                    TestNamedTransforms,
	"TestNamesOfEveryObject":                 TestNamesOfEveryObject,
	"TestNothingStreamsWhereNobodyAsks":      TestNothingStreamsWhereNobodyAsks,
	"TestNothingUsable":                      TestNothingUsable,
	"TestOrderOfEvents":                      TestOrderOfEvents,
	"TestOverrideTyposAreErrors":             TestOverrideTyposAreErrors,
	"TestOwnWays":                            TestOwnWays,
	"TestPackages":                           TestPackages,
	"TestPinWaitsWithinTheTimeout":           TestPinWaitsWithinTheTimeout,
	"TestPipe":                               TestPipe,
	"TestPoolStats":                          TestPoolStats,
	"TestPropertyEscapesAtRunTime":           TestPropertyEscapesAtRunTime,
	"TestProxyAsDefaultExport":               TestProxyAsDefaultExport,
	"TestReadableStream":                     TestReadableStream,
	"TestRefusedWhenCompiled":                TestRefusedWhenCompiled,
	"TestReleaseEndsWhatRuns":                TestReleaseEndsWhatRuns,
	"TestRequestBodyThatFails":               TestRequestBodyThatFails,
	"TestSignalOfARequestWhoseClientLeaves":  TestSignalOfARequestWhoseClientLeaves,
	"TestSlowReaderHoldsTheStreamBack":       TestSlowReaderHoldsTheStreamBack,
	"TestSpans":                              TestSpans,
	"TestStreamIsCancelled":                  TestStreamIsCancelled,
	"TestStreamThatFails":                    TestStreamThatFails,
	"TestStreamsOfEndedCalls":                TestStreamsOfEndedCalls,
	"TestStringify":                          TestStringify,
	"TestSupplied":                           TestSupplied,
	"TestTimeoutEndsWhatPassesByTheScript":   TestTimeoutEndsWhatPassesByTheScript,
	"TestTimersAreNotEarly":                  TestTimersAreNotEarly,
	"TestTransformStream":                    TestTransformStream,
	"TestTurnsBeginClean":                    TestTurnsBeginClean,
	"TestURLPattern":                         TestURLPattern,
	"TestWaitUntilOutlivesTheAnswer":         TestWaitUntilOutlivesTheAnswer,
	"TestWaitingForOthersIsNotTheFilters":    TestWaitingForOthersIsNotTheFilters,
	"TestWebAPI":                             TestWebAPI,
	"TestWritableStream":                     TestWritableStream,
}

// gojaOnly are the tests, and the rows of tests as test/row, that are about goja, or come out otherwise on QuickJS, with the reason.
var gojaOnly = map[string]string{
	"TestBuiltInOverruns":        overruns,
	"TestBuiltInOverrunsAtLoad":  overruns,
	"TestOverrunKeepsItsPlace":   overruns,
	"TestFilterOverrunsABuiltIn": overruns,
	"TestRegexpsThatBacktrack":   "a regular expression has no limit of its own: it ends with the call (TestHostileScripts in host/quickjs)",
	"TestStringifyDepth":         depths,
	"TestArraysAsText":           depths,
	"TestErrorStackInScripts":    "error.stack has places in the bundle where a script looks at it; errors that leave a script have the user's",
	"TestMemoryCannotBeLimited":  "it can be (TestHostileScripts in host/quickjs)",
	"TestNoInstanceIsFree":       "the pool is the engine's, which says it in other words and ends running guests when a plugin is closed",
	"TestStats":                  "the instance that Open made serves the first call, so that it is not cold (TestStats in host/quickjs)",
	"TestLogging":                "the log is the engine's (TestLogLimitsOfAPlugin runs on both)",
	"TestLogAtLoad":              "it looks at the logger of this runtime's options",

	"TestCodeMadeOfText/return eval(' '.repeat(65536) + '1')":                  depths,
	"TestCodeMadeOfText/const e = eval; return e('['.repeat(5e6))":             ownNames,
	"TestCodeMadeOfText/return globalThis['eval']('['.repeat(5e6))":            ownNames,
	"TestCodeMadeOfText/return eval('eval(`[`.repeat(5e6))')":                  ownNames,
	"TestCodeMadeOfText/return new Function('return eval(`[`.repeat(5e6))')()": ownNames,
	"TestPropertyEscapesAtRunTime/new RegExp(e.p, 'u')":                        words,
	"TestPropertyEscapesAtRunTime/RegExp(e.p, 'u')":                            words,
	"TestPropertyEscapesAtRunTime/new RegExp(new RegExp(e.p), 'u')":            words,
	"TestPropertyEscapesAtRunTime/new (class extends RegExp {})(e.p, 'u')":     words,
	"TestPropertyEscapesAtRunTime//a/.constructor(e.p, 'u')":                   words,
	"TestPropertyEscapesAtRunTime/Reflect.construct(RegExp, [e.p, 'u'])":       words,
	"TestPropertyEscapesAtRunTime/eval('/\\\\p{L}/u')":                         "QuickJS knows the property",
	"TestPropertyEscapesAtRunTime/new Function('return /\\\\p{L}/u')()":        "QuickJS knows the property",
	"TestPropertyEscapesAtRunTime//\\\\p{L}/u.source === '\\\\\\\\p{L}'":       "QuickJS refuses the brace, as ECMA-262 wants it",
	"TestRefusedWhenCompiled/property escape":                                  "QuickJS knows the property",
	"TestRefusedWhenCompiled/negated":                                          words,
	"TestRefusedWhenCompiled/constructed at load":                              words,
	"TestRefusedWhenCompiled/no such flag":                                     "QuickJS knows the flag",
	"TestErrorsHaveTheUsersPlace/JSON cycle":                                   words,
	"TestErrorsHaveTheUsersPlace/BigInt":                                       words,
	"TestErrorsHaveTheUsersPlace/undefined":                                    words,
	"TestErrorsHaveTheUsersPlace/own class":                                    "the stack begins in the constructor of the class",
	"TestErrorsHaveTheUsersPlace/no Error":                                     "what is no Error has no stack",
	"TestErrorsHaveTheUsersPlace/broken getters":                               "what is no Error has no stack",
}

const (
	overruns = "there is no built-in function that the engine cannot end"
	depths   = "recursion is bounded by the guest's stack, not by a number of levels"
	ownNames = "eval is bounded whatever it is called by"
	words    = "QuickJS says it in other words"
)

func TestQuickJS(t *testing.T) {
	if raced {
		t.Skip("what both runtimes share runs raced on goja, and the rest in host/quickjs")
	}
	for name, test := range both {
		t.Run(name, test)
	}
}

// differs reports whether a row of a test is not for the runtime that the test runs on.
func differs(t testing.TB, row string) bool {
	test := strings.TrimPrefix(t.Name(), onQuickJS)
	test, _, _ = strings.Cut(test, "/")
	_, known := gojaOnly[test+"/"+row]
	return known && isQuickJS(t)
}

var column = regexp.MustCompile(`(\.[jt]s:\d+):\d+`)

// placed is text without the columns, which QuickJS counts at the end of a call, and goja at its beginning.
func placed(t testing.TB, text string) string {
	if isQuickJS(t) {
		return column.ReplaceAllString(text, "$1")
	}
	return text
}

// Nothing is left out unnoticed.
func TestEveryTestRunsOnBothOrSaysWhy(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), "_test.go") || f.Name() == "quickjs_test.go" {
			continue
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			_, runs := both[m[1]]
			_, left := gojaOnly[m[1]]
			if runs == left {
				t.Errorf("%s: %s must be in both, or in gojaOnly with the reason", f.Name(), m[1])
			}
		}
	}
}

// TestUnderTheCollector calls a script on QuickJS from many goroutines while the garbage collector runs all the time, and holds each answer to
// the first. It takes half a minute of all processors: POSTERN_STRESS=1 runs it.
func TestUnderTheCollector(t *testing.T) {
	if os.Getenv("POSTERN_STRESS") == "" {
		t.Skip("run by: POSTERN_STRESS=1 go test -run TestUnderTheCollector ./host/js")
	}
	const script = `export const handler = async () => {
		const rows = [];
		for (let i = 0; i < 300; i++) rows.push({ n: i * 1.5, s: 'x' + i });
		let sum = 0;
		for (const o of JSON.parse(JSON.stringify(rows))) sum += o.n + o.s.length;
		const wrong = [];
		const refused = (a, why) => crypto.subtle.generateKey({ name: 'RSA-OAEP', hash: 'SHA-256', ...a }, true, ['encrypt', 'decrypt'])
			.then(() => wrong.push('made'), (e) => e.message.includes(why) || wrong.push(e.message));
		for (let i = 0; i < 30; i++) {
			await refused({ modulusLength: 64 + i, publicExponent: new Uint8Array([1, 0, 1]) }, 'modulusLength');
			await refused({ modulusLength: 2048, publicExponent: new Uint8Array([1, 0, i + 2]) }, 'publicExponent');
		}
		return { sum, wrong };
	};`
	module, err := quickJS().Compile(t.Context(), source(t, "a.js", script))
	if err != nil {
		t.Fatal(err)
	}
	for _, isolation := range []host.Isolation{host.IsolationPooled, host.IsolationReset} {
		t.Run(string(isolation), func(t *testing.T) {
			cfg := host.PluginConfig{Name: "test", Isolation: isolation}
			cfg.Limits.Timeout.Value, cfg.Limits.Fuel.Value = 25*time.Second, 1<<40
			p, err := module.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			stop := time.Now().Add(15 * time.Second)
			var calls sync.WaitGroup
			calls.Go(func() {
				for time.Now().Before(stop) {
					runtime.GC()
				}
			})
			for range 8 {
				calls.Go(func() {
					for time.Now().Before(stop) {
						if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != `{"sum":68365,"wrong":[]}` {
							t.Errorf("%s, %v", r.meta, err)
						}
					}
				})
			}
			calls.Wait()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
