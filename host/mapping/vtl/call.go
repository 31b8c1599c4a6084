package vtl

import (
	"errors"
	"fmt"
	"math/big"
	"unicode"
	"unicode/utf8"

	"github.com/postern/postern/host/mapping/tree"
)

var (
	errNull        = errors.New("null where a method needs a value")
	errUnsupported = errors.New("this collection does not change that way")
)

// call invokes a method as Velocity would find it: by name and the classes of the arguments. Where there is none, the value is null. A method
// that returns nothing in Java returns "".
func (r *run) call(self any, name string, args []any) (any, error) {
	size := 0
	switch self := self.(type) {
	case string:
		size = len(self)
	case *tree.List:
		size = slotCost * len(self.Items)
	case *view:
		size = slotCost * self.m.Len()
	}
	if err := r.work(size); err != nil {
		return nil, err
	}
	v, ok, err := r.method(self, name, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if ok {
		return v, nil
	}
	switch {
	case name == "toString" && len(args) == 0:
		text, ok, err := r.text(self)
		if err != nil || !ok {
			return nil, err
		}
		return text, nil
	case name == "equals" && len(args) == 1:
		same, err := r.equal(self, args[0], 0)
		return same, err
	case name == "hashCode" && len(args) == 0:
		if _, host := self.(Object); !host {
			h, err := r.hash(self, 0)
			return h, err
		}
	}
	if name == "compareTo" && len(args) == 1 && canCompareTo(self) {
		return nil, errors.New("compareTo takes a value of the same class")
	}
	if len(args) > 0 && r.hasPlainMethod(self, name) {
		return nil, fmt.Errorf("%s takes no arguments", name)
	}
	return nil, nil
}

func canCompareTo(v any) bool {
	switch v.(type) {
	case string, bool, char:
		return true
	}
	return isNumber(v)
}

// hasPlainMethod reports whether there is a method without parameters. Velocity takes it whatever the arguments are, and fails.
func (r *run) hasPlainMethod(self any, name string) bool {
	switch name {
	case "toString", "hashCode", "getClass", "notify", "notifyAll", "wait":
		return true
	}
	switch self.(type) { // nothing that the method does is to be seen
	case *tree.Map:
		self = newMap()
	case *tree.List:
		self = &tree.List{}
	case *view:
		self = &view{m: newMap()}
	case *loopScope:
		self = &loopScope{}
	case iterator:
		self = &listIterator{list: &tree.List{}}
	case Object:
		return false
	}
	_, ok, err := r.method(self, name, nil)
	return ok || err != nil
}

func (r *run) method(self any, name string, args []any) (any, bool, error) {
	switch self := self.(type) {
	case string:
		return r.stringMethod(self, name, args)
	case *tree.Map:
		return r.mapMethod(self, name, args)
	case *tree.List:
		return r.listMethod(self, name, args)
	case bool:
		return booleanMethod(self, name, args)
	case int32, int64, float64, *big.Int, tree.Decimal:
		return numberMethod(plainNumber(self), name, args)
	case *array:
		return r.arrayMethod(self, name, args)
	case *view:
		return r.viewMethod(self, name, args)
	case *entry:
		return r.entryMethod(self, name, args)
	case *loopScope:
		return r.loopMethod(self, name, args)
	case char:
		if name == "charValue" && len(args) == 0 {
			return self, true, nil
		}
	case iterator:
		return iteratorMethod(self, name, args)
	case Object:
		return r.callObject(self, name, args)
	}
	return nil, false, nil
}

// callObject asks the host. What the host makes is counted by the texts that go in and come out: parseJson makes some eight times its text.
func (r *run) callObject(o Object, name string, args []any) (any, bool, error) {
	_, textOnly := o.(Escaper)
	size := 0
	for i, a := range args {
		if _, isBlock := a.(*blockValue); isBlock || textOnly && a != nil {
			text, ok, err := r.text(a)
			if err != nil {
				return nil, true, err
			}
			if args[i] = any(text); !ok {
				args[i] = nil
			}
		}
		if s, ok := args[i].(string); ok {
			size += 8 * len(s)
		}
	}
	if err := r.charge(size); err != nil {
		return nil, true, err
	}
	if key, ok := objectKey(name, "get", args, 1); ok {
		if v, ok := o.Get(key); ok {
			return fromHost(v), true, nil
		}
	}
	if setter, ok := o.(Setter); ok {
		if key, ok := objectKey(name, "put", args, 2); ok {
			if ok, err := r.setObject(setter, key, args[1]); ok || err != nil {
				return nil, true, err
			}
		}
	}
	v, ok, err := o.Call(r.ctx, name, args)
	if viewer, isMap := o.(Viewer); isMap && !ok && err == nil {
		return r.mapMethod(viewer.Map(), name, args)
	}
	if s, isText := v.(string); isText && err == nil {
		err = r.charge(len(s))
	}
	return fromHost(v), ok, err
}

// objectKey returns the first argument of get and put, where it is a string.
func objectKey(name, method string, args []any, count int) (string, bool) {
	if name != method || len(args) != count {
		return "", false
	}
	key, ok := args[0].(string)
	return key, ok
}

// property is $a.name: a getter, the entry of a map, or a question (isName).
func (r *run) property(self any, name string) (any, error) {
	switch self := self.(type) {
	case *tree.Map:
		v, _, err := r.mapGet(self, name)
		return v, err
	case Object:
		v, _ := self.Get(name)
		return fromHost(v), nil
	case *loopScope:
		for _, n := range [...]string{name, flip(name)} {
			if v, ok := self.property(n); ok {
				return v, nil
			}
		}
		return self.get(r, name)
	}
	for _, prefix := range [...]string{"get", "is"} {
		for _, n := range [...]string{name, flip(name)} {
			v, ok, err := r.method(self, prefix+n, nil)
			if _, question := v.(bool); ok && (question || prefix == "get") || err != nil {
				return v, err
			}
		}
	}
	return nil, nil
}

// flip changes the case of the first letter.
func flip(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	if unicode.IsLower(first) {
		return string(unicode.ToUpper(first)) + name[size:]
	}
	return string(unicode.ToLower(first)) + name[size:]
}

// takes reports whether arguments fit a method's parameters, one letter each: s a String, i an int, l a long, d a double, b a boolean, c a
// char, C a Collection, M a Map, o any Object. Null fits what is no number, boolean or char.
func takes(args []any, params string) bool {
	if len(args) != len(params) {
		return false
	}
	for i, a := range args {
		if !fits(a, params[i]) {
			return false
		}
	}
	return true
}

func fits(a any, param byte) bool {
	ok := false
	switch param {
	case 'o':
		return true
	case 's':
		_, ok = a.(string)
		return ok || a == nil
	case 'C':
		switch a.(type) {
		case nil, *tree.List, *view:
			return true
		}
	case 'M':
		switch a.(type) {
		case nil, *tree.Map, *loopScope, Viewer:
			return true
		}
	case 'i':
		_, ok = a.(int32)
	case 'l':
		switch a.(type) {
		case int32, int64:
			return true
		}
	case 'd':
		switch a.(type) {
		case int32, int64, float64, tree.Decimal:
			return true
		}
	case 'b':
		_, ok = a.(bool)
	case 'c':
		_, ok = a.(char)
	}
	return ok
}

func booleanMethod(b bool, name string, args []any) (any, bool, error) {
	switch {
	case name == "booleanValue" && takes(args, ""):
		return b, true, nil
	case name == "parseBoolean" && takes(args, "s"), name == "valueOf" && takes(args, "s"):
		s, _ := args[0].(string)
		return equalFold(s, "true"), true, nil
	case name == "valueOf" && takes(args, "b"), name == "toString" && takes(args, "b"):
		if name == "toString" {
			return fmt.Sprint(args[0]), true, nil
		}
		return args[0], true, nil
	case name == "compareTo" && takes(args, "b"):
		return compareBool(b, args[0].(bool)), true, nil
	}
	return nil, false, nil
}

func compareBool(a, b bool) int32 {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
