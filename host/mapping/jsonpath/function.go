package jsonpath

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode/utf16"

	"github.com/postern/postern/host/mapping/tree"
)

// A function is the last step of a path, mostly. It gets the value that the steps before it lead to.
type function uint8

const (
	functionLength function = iota
	functionKeys
	functionMin
	functionMax
	functionAvg
	functionSum
	functionStddev
	functionConcat
	functionAppend
	functionFirst
	functionLast
	functionIndex
)

// functionOf finds a function by its name.
func functionOf(name string) (function, bool) {
	for i, n := range [...]string{"length", "keys", "min", "max", "avg", "sum", "stddev", "concat", "append", "first", "last", "index"} {
		if n == name {
			return function(i), true
		}
	}
	return functionLength, name == "size"
}

// An argument is a path from the document's root, or JSON.
type argument struct {
	path *Path
	json any
}

// call reads a function and its arguments; the parser is at the parenthesis.
func (p *parser) call(name string, start int) error {
	f, ok := functionOf(name)
	if !ok {
		return p.fail(start, "there is no function %s", name)
	}
	end, ok := closing(p.text, p.at, '(', ')', false)
	if !ok {
		return p.fail(p.at, "the arguments of %s are not closed with )", name)
	}
	s := step{kind: stepFunction, function: f}
	if end == p.at+1 {
		// The library goes on at the parenthesis, so that what comes after f() is a property with the name ")".
		p.at = end
		p.steps = append(p.steps, s)
		return nil
	}
	at := p.at + 1
	for at <= end {
		stop := p.argumentEnd(at, end)
		a, ok, err := p.argument(at, stop)
		if err != nil {
			return err
		}
		if ok {
			s.args = append(s.args, a)
		}
		at = stop + 1
	}
	p.at = end + 1
	p.steps = append(p.steps, s)
	return nil
}

// argumentEnd returns the place of the comma that ends the argument at a place, or of the parenthesis that ends all.
func (p *parser) argumentEnd(at, end int) int {
	depth := 0
	for ; at < end; at++ {
		switch c := p.text[at]; c {
		case '"', '\'':
			if close, ok := unescaped(p.text, at+1, c); ok && close < end {
				at = close
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				return at
			}
		}
	}
	return end
}

// argument reads one argument; false for one that the library passes over: anything but paths, objects, numbers and strings in double quotes.
func (p *parser) argument(start, end int) (argument, bool, error) {
	text := strings.TrimLeft(p.text[start:end], " \t\r\n")
	start = end - len(text)
	if text == "" {
		return argument{}, false, nil
	}
	switch c := text[0]; {
	case c == '$' || c == '@':
		path, err := compile(text, p.offset+start, p.depth+1)
		return argument{path: path}, err == nil, err
	case c == '{' || c == '"' || c == '-' || '0' <= c && c <= '9':
		v, err := literal(text)
		if err != nil {
			return argument{}, false, p.fail(start, "%v", err)
		}
		return argument{json: v}, true, nil
	}
	return argument{}, false, nil
}

func (w *walk) call(s *step, v any) (any, error) {
	args := make([]any, len(s.args))
	for i, a := range s.args {
		if args[i] = a.json; a.path == nil {
			continue
		}
		value, err := w.read(a.path, w.doc, w.strict)
		if err != nil {
			return nil, err
		}
		args[i] = value
	}
	switch s.function {
	case functionLength:
		return w.length(s, v, args)
	case functionKeys:
		return w.keys(v)
	case functionConcat:
		return w.concat(v, args)
	case functionAppend:
		return w.appended(v, args)
	case functionFirst, functionLast, functionIndex:
		return element(s.function, v, args)
	}
	return w.aggregate(s.function, v, args)
}

// length of a path as an argument is the number of all that is one level below what the path finds.
func (w *walk) length(s *step, v any, args []any) (any, error) {
	if len(args) > 0 {
		p := s.args[0].path
		if p == nil {
			return nil, errors.New("length() takes a path")
		}
		counted := args[0]
		if n := len(p.steps); n > 0 && p.steps[n-1].kind != stepFunction {
			below := newPath(p.text, p.root, append(p.steps[:n:n], step{kind: stepWildcard}))
			// The library asks whether the path is definite before it adds the level, and then takes the last value alone.
			below.definite = p.definite
			value, err := w.read(below, v, w.strict)
			if err != nil {
				return nil, err
			}
			counted = value
		}
		if list, ok := counted.(*tree.List); ok {
			return int32(len(list.Items)), nil
		}
	}
	switch v := v.(type) {
	case *tree.List:
		return int32(len(v.Items)), nil
	case *tree.Map:
		return int32(v.Len()), nil
	}
	return nil, nil
}

func (w *walk) keys(v any) (any, error) {
	m, ok := v.(*tree.Map)
	if !ok {
		return nil, nil
	}
	list := &tree.List{}
	for key := range m.All() {
		list.Items = append(list.Items, key)
	}
	return list, w.charge(len(list.Items))
}

// concat joins the strings of an array, and all of the arguments.
func (w *walk) concat(v any, args []any) (any, error) {
	var b strings.Builder
	add := func(v any, all bool) error {
		s, isText := v.(string)
		if !isText && (!all || v == nil) {
			return w.charge(1)
		}
		if !isText {
			text, err := tree.Encode(v, tree.Limits{})
			if err != nil {
				return err
			}
			s = string(text)
			if m, ok := v.(*tree.Map); ok {
				s = string(appendMap(nil, m)) // it is as bounded as its JSON
			}
		}
		b.WriteString(s)
		return w.charge(1 + len(s)/64)
	}
	if list, ok := v.(*tree.List); ok {
		for _, item := range list.Items {
			if err := add(item, false); err != nil {
				return nil, err
			}
		}
	}
	for _, arg := range args {
		items := []any{arg}
		if list, ok := arg.(*tree.List); ok {
			items = list.Items
		}
		for _, item := range items {
			if err := add(item, true); err != nil {
				return nil, err
			}
		}
	}
	return b.String(), nil
}

// appendMap writes an object as Java does; arrays the library writes as JSON.
func appendMap(b []byte, m *tree.Map) []byte {
	b = append(b, '{')
	first := true
	for key, value := range m.All() {
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = append(append(b, key...), '=')
		switch value := value.(type) {
		case *tree.Map:
			b = appendMap(b, value)
		case string:
			b = append(b, value...)
		default:
			b = tree.Append(b, value)
		}
	}
	return append(b, '}')
}

// appended returns an array with the arguments at its end. The library changes the document; here it stays as it is.
func (w *walk) appended(v any, args []any) (any, error) {
	list, ok := v.(*tree.List)
	if !ok {
		return v, nil
	}
	if err := w.charge(len(list.Items) + len(args)); err != nil {
		return nil, err
	}
	return &tree.List{Items: append(list.Items[:len(list.Items):len(list.Items)], args...)}, nil
}

func element(f function, v any, args []any) (any, error) {
	list, ok := v.(*tree.List)
	if !ok {
		return nil, errors.New("first(), last() and index() are of arrays")
	}
	index := 0
	switch f {
	case functionLast:
		index = -1
	case functionIndex:
		numbers := numbersOf(args)
		if len(numbers) == 0 {
			return nil, errors.New("index() needs a number")
		}
		index = int(max(math.MinInt32, min(math.MaxInt32, numbers[0])))
	}
	// The library takes no negative index that leads to the first element.
	if n := len(list.Items); index < 0 && index+n > 0 {
		return list.Items[index+n], nil
	} else if index >= 0 && index < n {
		return list.Items[index], nil
	}
	return nil, fmt.Errorf("no element %d among %d", index, len(list.Items))
}

// numbersOf returns the numbers among values, and in the arrays among them.
func numbersOf(values []any) []float64 {
	var numbers []float64
	for _, v := range values {
		if n, ok := number(v); ok {
			numbers = append(numbers, n)
		} else if list, ok := v.(*tree.List); ok {
			for _, item := range list.Items {
				if n, ok := number(item); ok {
					numbers = append(numbers, n)
				}
			}
		}
	}
	return numbers
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case tree.Decimal:
		return v.Float64(), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}

// aggregate computes as the library does: on doubles, with its start values (so that max() of negative numbers is the smallest double).
func (w *walk) aggregate(f function, v any, args []any) (any, error) {
	numbers := numbersOf(args)
	if list, ok := v.(*tree.List); ok {
		var own []float64
		for _, item := range list.Items {
			if n, ok := number(item); ok {
				own = append(own, n)
			}
		}
		numbers = append(own, numbers...)
		if err := w.charge(len(list.Items)); err != nil {
			return nil, err
		}
	}
	if err := w.charge(len(numbers)); err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, errors.New("no numbers to compute with")
	}
	least, most, sum, squares, count := math.MaxFloat64, math.SmallestNonzeroFloat64, 0.0, 0.0, float64(len(numbers))
	for _, n := range numbers {
		if n < least {
			least = n
		}
		if n > most {
			most = n
		}
		sum += n
		squares += n * n
	}
	switch f {
	case functionMin:
		return least, nil
	case functionMax:
		return most, nil
	case functionAvg:
		return sum / count, nil
	case functionSum:
		return sum, nil
	}
	return math.Sqrt(squares/count - sum*sum/count/count), nil
}

// units is the length of a text in UTF-16 units, as Java counts it.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}
