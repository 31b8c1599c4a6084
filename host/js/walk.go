package js

import (
	"errors"
	"reflect"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/unistring"
)

// Names of what rewritten code calls. No script spells them.
const (
	execName     = "__postern_exec__"
	checkName    = "__postern_check__"
	indirectName = "__postern_indirect__"
)

// A finding is something in a script that goja would run wrongly without an error.
type finding struct {
	at   file.Idx
	text string
}

// A walker goes through a syntax tree. It collects findings, and puts calls of ours around what the
// global object does not let us watch: the exec method of regular expressions, and the text given to eval.
type walker struct {
	plans    map[reflect.Type][]int
	findings []finding
	regexps  bool // a literal is there
	fixed    bool // the tree is to look at: what is changed in it has no effect
}

var (
	nodeType = reflect.TypeFor[ast.Node]()
	exprType = reflect.TypeFor[ast.Expression]()
)

func (w *walker) walk(program *ast.Program) {
	w.plans = map[reflect.Type][]int{}
	w.visit(reflect.ValueOf(program.Body))
}

// visit walks by reflection: the tree has 70 types of nodes, of which three matter here.
func (w *walker) visit(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			if v.Type() == exprType && v.CanSet() {
				w.expression(v)
			}
			w.visit(v.Elem())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			w.visit(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.visit(v.Index(i))
		}
	case reflect.Struct:
		for _, i := range w.plan(v.Type()) {
			w.visit(v.Field(i))
		}
	}
}

// plan returns the fields that can lead to expressions. DeclarationList repeats what stands in the body.
func (w *walker) plan(t reflect.Type) []int {
	plan, known := w.plans[t]
	if known {
		return plan
	}
	for i := range t.NumField() {
		f := t.Field(i)
		ft := f.Type
		for ft.Kind() == reflect.Slice || ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		leads := ft.Kind() == reflect.Interface && ft.Implements(nodeType) ||
			ft.Kind() == reflect.Struct && ft.PkgPath() == nodeType.PkgPath() && ft.Name() != "Identifier"
		if f.IsExported() && f.Name != "DeclarationList" && leads {
			plan = append(plan, i)
		}
	}
	w.plans[t] = plan
	return plan
}

// expression looks at the expression in slot v, and may put another there.
func (w *walker) expression(v reflect.Value) {
	switch e := v.Interface().(type) {
	case *ast.RegExpLiteral:
		w.regexps = true
		w.literal(e)
	case *ast.NewExpression: // also what esbuild makes of literals with flags that ES2022 lacks
		if name, ok := e.Callee.(*ast.Identifier); ok && name.Name == "RegExp" && len(e.ArgumentList) > 1 {
			w.constructed(e)
		}
	case *ast.CallExpression:
		switch callee := e.Callee.(type) {
		case *ast.SequenceExpression: // (0, eval)(text)
			last := len(callee.Sequence) - 1
			if name, ok := callee.Sequence[last].(*ast.Identifier); ok && name.Name == "eval" {
				callee.Sequence[last] = callTo(indirectName, e, name)
			}
		case *ast.Identifier:
			if callee.Name == "eval" && len(e.ArgumentList) > 0 {
				e.ArgumentList = []ast.Expression{callTo(checkName, e, e.ArgumentList...)}
			}
		case *ast.DotExpression:
			if callee.Identifier.Name == "exec" && movable(callee.Left) {
				v.Set(reflect.ValueOf(callTo(execName, e, append([]ast.Expression{callee.Left}, e.ArgumentList...)...)))
			}
		}
	}
}

// literal rewrites the properties of a literal.
func (w *walker) literal(e *ast.RegExpLiteral) {
	if !hasPropertyEscape(e.Pattern, e.Flags) {
		return
	}
	pattern, err := expandProperties(e.Pattern)
	if w.fixed && err == nil {
		err = errors.New(`\p{…} in a literal is not supported in code that is made of text; use new RegExp there`)
	}
	if err != nil {
		w.findings = append(w.findings, finding{e.Idx, err.Error()})
		return
	}
	e.Pattern, e.Literal = pattern, "/"+pattern+"/"+e.Flags
}

// constructed looks at new RegExp with constant arguments.
func (w *walker) constructed(e *ast.NewExpression) {
	pattern, ok1 := e.ArgumentList[0].(*ast.StringLiteral)
	flags, ok2 := e.ArgumentList[1].(*ast.StringLiteral)
	if !ok1 || !ok2 {
		return
	}
	f := flags.Value.String()
	if hasPropertyEscape(pattern.Value.String(), f) {
		if _, err := expandProperties(pattern.Value.String()); err != nil {
			w.findings = append(w.findings, finding{e.New, err.Error()})
		}
	}
	if i := strings.IndexAny(f, "dv"); i >= 0 {
		w.findings = append(w.findings, finding{e.New, "the flag " + f[i:i+1] + " of regular expressions is not supported"})
	}
}

func callTo(name unistring.String, at *ast.CallExpression, args ...ast.Expression) *ast.CallExpression {
	return &ast.CallExpression{Callee: &ast.Identifier{Name: name, Idx: at.Idx0()}, LeftParenthesis: at.LeftParenthesis,
		ArgumentList: args, RightParenthesis: at.RightParenthesis}
}

// movable reports whether e may become an argument: super may not, nor a part of an optional chain.
func movable(e ast.Expression) bool {
	for {
		switch x := e.(type) {
		case *ast.Optional, *ast.SuperExpression:
			return false
		case *ast.DotExpression:
			e = x.Left
		case *ast.PrivateDotExpression:
			e = x.Left
		case *ast.BracketExpression:
			e = x.Left
		case *ast.CallExpression:
			e = x.Callee
		default:
			return true
		}
	}
}

// hasPropertyEscape reports whether a pattern has \p{ or \P{, which mean a Unicode property under the flags u and v
// (ECMA-262, CharacterClassEscape); without them they are letters.
func hasPropertyEscape(pattern, flags string) bool {
	if !strings.ContainsAny(flags, "uv") {
		return false
	}
	for i := 0; i+1 < len(pattern); i++ {
		if pattern[i] != '\\' {
			continue
		}
		if i++; pattern[i] == 'p' || pattern[i] == 'P' {
			return true
		}
	}
	return false
}
