// Package jsonpath evaluates JSONPath in the dialect of Jayway's JsonPath, which API Gateway uses in mapping templates.
//
// # The dialect
//
// $ and @, names after a dot or in brackets (['a','b']), * and [*], .. before any of them, indexes ([0], [-1], [0,2]), slices of two parts
// ([1:3], [:2], [-2:]), filters [?( )], and functions at the end (length(), size(), keys(), min(), max(), avg(), stddev(), sum(), concat(),
// append(), first(), last(), index()). A filter knows == != === !== < <= > >= =~ in nin subsetof anyof noneof contains size empty && || !
// and parentheses, paths from $ and @, and literals: strings in either quotes, numbers, true, false, null, JSON lists and objects,
// /regular expressions/.
//
// A path is definite where it names one place at most: no .., *, filter, slice, list of indexes, or list of names before the end. It then
// gives the value itself, and is an error (ErrMissing) where there is none. Any other path gives a list, which may be empty.
//
// # What Jayway does, on purpose or not
//
// RFC 9535 is another dialect; testdata/rfc9535/differences.txt lists where they part. This package follows what the library was seen to do
// (testdata/corpus.txt, made by the library itself), also where that is odd: a string equals a number with the same text, a slice with two
// negative ends counts both from the end and [1:-1] is empty, a filter on an object tests the object itself, last() fails for a list of one.
// It does not follow where the library's result depends on what was evaluated before, or is an exception of Java's own; those cases
// are marked in the corpus. Regular expressions are Go's, which end in linear time: look-around and back references are refused.
package jsonpath
