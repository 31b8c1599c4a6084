package vtl

// A scope is where names have values. Macros and loops lay theirs over the one below; what they set goes through to it.
type scope interface {
	get(r *run, name string) (any, error)
	put(name string, value any)
	remove(name string)
	// literalOf returns the argument of a macro's call as it was written, for the parameter that is written as text ("$name").
	literalOf(text string) (string, bool)
}

// globals are the variables of a run.
type globals map[string]any

func (g globals) get(_ *run, name string) (any, error) { return g[name], nil }
func (g globals) put(name string, value any)           { g[name] = value }
func (g globals) remove(name string)                   { delete(g, name) }
func (g globals) literalOf(string) (string, bool)      { return "", false }

// A macroScope has a macro's arguments. An argument that is no constant is an expression, evaluated in the caller's scope each time the
// parameter is used: macros pass by name.
type macroScope struct {
	inner scope
	local map[string]any
	args  map[string]expr
}

func (s *macroScope) get(r *run, name string) (any, error) {
	if v := s.local[name]; v != nil {
		return v, nil
	}
	if e, ok := s.args[name]; ok {
		if ref, ok := e.(*reference); ok && len(ref.path) == 0 {
			return s.inner.get(r, ref.root)
		}
		return e.value(r, s.inner)
	}
	return s.inner.get(r, name)
}

// put sets the variable here, where it hides an argument, and outside as well.
func (s *macroScope) put(name string, value any) {
	s.local[name] = value
	s.inner.put(name, value)
}

func (s *macroScope) remove(name string) {
	delete(s.local, name)
	delete(s.args, name)
	s.inner.remove(name)
}

func (s *macroScope) literalOf(text string) (string, bool) {
	if len(text) > 1 && text[0] == '$' {
		if e, ok := s.args[text[1:]]; ok {
			return e.literal(), true
		}
	}
	return s.inner.literalOf(text)
}

// A nullScope hides a loop's variable while its element is null.
type nullScope struct {
	scope
	name   string
	active bool
}

func (s *nullScope) get(r *run, name string) (any, error) {
	if s.active && name == s.name {
		return nil, nil
	}
	return s.scope.get(r, name)
}

func (s *nullScope) put(name string, value any) {
	if name == s.name && value == nil {
		s.active = true
	}
	s.scope.put(name, value)
}

func (s *nullScope) remove(name string) {
	if name == s.name {
		s.active = false
	}
	s.scope.remove(name)
}
