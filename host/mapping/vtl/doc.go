// Package vtl runs API Gateway's mapping templates: the Velocity Template Language of Apache Velocity 1.7, with what reference 1.5 says of
// Amazon's dialect. It is pure: it reads no file, no clock but the context's, and nothing of the network.
//
// A Template is parsed once and run many times, by any number of goroutines. What a template sees are plain values (package tree) and
// Objects, which the host makes for $input and $context; Escaper is $util.
//
// # As Velocity, to the byte
//
// What is text and what is a directive, which white space goes, which backslashes stay: in Velocity that follows from the states of its
// lexer and from how far its parser looks ahead, more than from any rule that a user could know. So the lexer here has the same states and
// tokens, and the parser looks exactly as far ahead. The corpus in testdata was rendered by Velocity itself, and
//
//	VTL_VELOCITY=120 go test -run Differential ./host/mapping/vtl
//
// compares both over random templates for two minutes (Debian: velocity, default-jdk-headless).
//
// # Dialects
//
// Velocity writes a reference without a value as it stands, "$missing". Amazon writes nothing, and == takes null for "". Amazon is what Parse
// gives. A #set to null changes nothing in both.
//
// # What differs
//
//   - #parse and #include are refused: there are no other templates.
//   - Java's classes do not exist: .class and getClass() have no value, nor have getBytes, toCharArray, chars, lines, floatValue and what takes a
//     Locale, a Comparator, a stream or a lambda. sort takes null, for the natural order.
//   - The text of an array, which split returns, is "[Ljava.lang.String;" without the address. subList and toArray copy.
//   - Half of a character outside of the basic plane, which substring can cut off, is U+FFFD.
//   - BigDecimal is float64, and BigInteger has no arithmetic methods, though + - * / % are exact on it.
//   - A fraction prints with the shortest digits that read back, as Java 19 and later do; from JSON it prints as it was written.
//   - A map's keys are strings, numbers, booleans and null. What is no string is kept under a name that begins with a NUL byte.
//   - A #break or #stop in a macro does not count as a call that goes on; in Velocity, twenty of them end the template.
//   - A list or map that grows or shrinks while #foreach goes over it ends the run, as in Java; one that only changes its elements, or whose size is the
//     same again, does not.
//   - Regular expressions are Java's, translated for regexp2. Refused, and so errors of the run: sets in sets and &&, octal
//     escapes, \X, \N, the flags d, u, U and x, properties beyond the general categories and the POSIX names. \b and (?i) follow Unicode.
//   - An error in a template is one with this package's words. Where Velocity fails in a place that is never reached, parsing may fail here.
//
// # Limits
//
// Loops, calls, output and time are bounded (Limits), and so is all memory that a run asks for: each string, element and entry is counted before it is
// made and never given back, so that "#set($x = $x + $x)" in a loop ends early. A regular expression has a time and a depth.
package vtl
