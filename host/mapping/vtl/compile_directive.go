package vtl

import "strings"

// directive compiles #name. Its kids come first, as in Velocity: a macro in a macro is known before it.
func (c *compiler) directive(s *syntax, depth int) (node, error) {
	form := formOf(s.text)
	args := s.kids
	var body *syntax
	if n := len(args); n > 0 && args[n-1].kind == synBlock {
		body = args[n-1]
		args = args[:n-1]
	}
	switch {
	case s.text == "foreach":
		return c.foreach(s, depth)
	case form == formBlock && body == nil:
		return nil, c.fail(s.first, "#"+s.text+" needs arguments in parentheses")
	case s.text == "include", s.text == "parse":
		return nil, c.fail(s.first, "#"+s.text+" is not supported: there are no other templates")
	}
	list, err := c.exprs(args, depth)
	if err != nil {
		return nil, err
	}
	var content block
	if body != nil {
		if content, err = c.block(body, depth); err != nil {
			return nil, err
		}
	}
	at := c.place(s.first.start)
	switch s.text {
	case "macro":
		c.define(args, content, s)
		return text(""), nil
	case "literal":
		if len(body.kids) == 0 {
			return text(""), nil
		}
		return text(s.kids[0].literal()), nil
	case "define":
		if len(args) != 1 {
			return nil, c.fail(s.first, "#define takes one name")
		}
		name := args[0].first.image
		return &defineNode{name: name[min(1, len(name)):], body: content}, nil
	case "evaluate":
		if len(args) != 1 || args[0].kind != synString && args[0].kind != synReference {
			return nil, c.fail(s.first, "#evaluate takes one string or reference")
		}
		return &evaluateNode{source: list[0], at: at}, nil
	case "stop", "break":
		if len(args) > 1 {
			return nil, c.fail(s.first, "#"+s.text+" takes at most one argument")
		}
		return stopOrBreak(s.text, list, at), nil
	}
	return c.call(s, list, body != nil, content)
}

func stopOrBreak(name string, args []expr, at int) node {
	var arg expr
	if len(args) == 1 {
		arg = args[0]
	}
	if name == "stop" {
		return &stopNode{message: arg}
	}
	return &breakNode{of: arg, at: at}
}

func (c *compiler) define(args []*syntax, body block, s *syntax) {
	name := args[0].first.image
	if c.added[name] != nil || c.macros[name] != nil {
		return // the first stays
	}
	m := &macro{name: name, body: body}
	for _, a := range args[1:] {
		m.params = append(m.params, strings.TrimPrefix(a.first.image, "$"))
	}
	if c.added == nil {
		c.added = map[string]*macro{}
	}
	c.added[name] = m
}

// call compiles what is a macro's call, if there is such a macro when it runs.
func (c *compiler) call(s *syntax, args []expr, hasBody bool, body block) (node, error) {
	n := &callNode{name: s.text, args: args, at: c.place(s.first.start)}
	if strings.HasPrefix(s.text, "@") {
		if len(s.kids) == 0 {
			return text("#" + s.text), nil
		}
		n.name, n.hasBody, n.body = s.text[1:], hasBody, body
	}
	for _, kid := range s.kids {
		if kid.kind == synWord {
			n.word = kid.first.image
		}
	}
	c.late = append(c.late, func() { n.text = imagesOf(s.first, s.last) })
	return n, nil
}

func (c *compiler) foreach(s *syntax, depth int) (node, error) {
	if len(s.kids) == 0 {
		return nil, c.fail(s.first, "#foreach needs arguments in parentheses")
	}
	n := &foreachNode{at: c.place(s.first.start)}
	var kids []node
	for _, kid := range s.kids {
		compiled, err := c.statement(kid, depth)
		if err != nil {
			return nil, err
		}
		kids = append(kids, compiled)
	}
	if ref, ok := kids[0].(*reference); ok {
		n.name = ref.root
	} else {
		image := s.kids[0].first.image
		n.name = image[min(1, len(image)):]
	}
	if len(kids) < 3 {
		return &brokenNode{at: n.at, text: "#foreach takes ($name in list)"}, nil
	}
	list, ok := kids[2].(expr)
	if !ok {
		return text(""), nil // #foreach($a in): there is no list
	}
	n.list = list
	n.body = kids[3]
	return n, nil
}

// reference compiles $name and its path. What stands before the name decides what is written.
func (c *compiler) reference(s *syntax, depth int) (*reference, error) {
	n := &reference{at: c.place(s.first.start)}
	for _, kid := range s.kids {
		st := step{at: c.place(kid.first.start)}
		switch kid.kind {
		case synIdentifier:
			st.kind, st.name = stepProperty, kid.first.image
		case synMethod:
			st.kind, st.name = stepMethod, kid.first.image
			args, err := c.exprs(kid.kids[1:], depth)
			if err != nil {
				return nil, err
			}
			st.args = args
		case synIndex:
			args, err := c.exprs(kid.kids, depth)
			if err != nil {
				return nil, err
			}
			st.kind, st.args = stepIndex, args
		}
		n.path = append(n.path, st)
	}
	n.prefix(s)
	c.late = append(c.late, func() { n.text = s.literal() })
	return n, nil
}
