package vtl

// A macro is what #macro made.
type macro struct {
	name   string
	params []string
	body   node
}

// A callNode is #name(args), or #@name(args) with a body. Without a macro of that name it is text.
type callNode struct {
	name    string
	args    []expr
	hasBody bool
	body    node
	word    string // an argument that no macro takes
	text    string // as it was written
	at      int
}

func (n *callNode) render(r *run, s scope) error {
	if err := r.tick(); err != nil {
		return err
	}
	m := r.macro(n.name)
	if m == nil {
		return r.write(n.text)
	}
	if n.word != "" {
		return r.failf(n.at, "#%s cannot take %s", n.name, quoted(n.word))
	}
	inner := &macroScope{inner: s, local: map[string]any{}, args: map[string]expr{}}
	for i, param := range m.params {
		if i >= len(n.args) {
			break
		}
		if !isByName(n.args[i]) {
			v, err := n.args[i].value(r, s)
			if err != nil {
				return err
			}
			inner.local[param] = v
			continue
		}
		inner.args[param] = n.args[i]
	}
	if n.hasBody {
		inner.local["bodyContent"] = &blockValue{scope: s, body: n.body, max: r.limits.Macros}
	}
	if r.calls >= r.limits.Macros {
		return r.fail(n.at, limitError("calls of macros in each other", r.limits.Macros))
	}
	if err := r.enter(); err != nil {
		return r.fail(n.at, err)
	}
	r.calls++
	err := m.body.render(r, inner)
	r.calls--
	r.leave()
	if err != nil && !stopsAt(err, n, false) {
		return err
	}
	return nil
}

// isByName reports whether a macro's argument is evaluated at each use.
func isByName(e expr) bool {
	switch e := e.(type) {
	case *rangeExpr, *reference, *listExpr, *mapExpr, *interpolated:
		return true
	case *constant:
		_, ok := e.v.(string)
		return ok
	}
	return false
}
