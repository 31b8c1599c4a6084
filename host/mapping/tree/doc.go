// Package tree holds JSON as mapping templates see it: maps that can be changed and keep their order, lists, and numbers in the classes
// that Java gives them. Templates and JSONPath share these values, so that what one finds the other can change.
//
// # Values
//
// A value is nil, a bool, a string, a *Map, a *List, or a number: int32 and int64 where an integer fits, *big.Int where it does not, float64
// for a fraction or exponent whose text Append would write again as it was, and Decimal for one that it would not (1.10, 1E5, a fraction
// of more digits than a float64 has). So whatever was decoded is written as it was read.
//
// # Why not encoding/json
//
// It keeps neither the order of keys nor the class of a number, and has no limit of depth that a caller can set.
package tree
