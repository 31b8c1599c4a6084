package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host/definition"
)

// ask wants a yes for what cannot be undone. Without a terminal to ask on, --yes is needed.
func (s *streams) ask(question string, yes bool) error {
	if yes {
		return nil
	}
	needed := &usageError{&definition.Error{Message: "there is no terminal to ask on: " + question, Hint: "if so, repeat the command with --yes"}}
	if !isTerminalReader(s.in) || !isTerminal(s.err) {
		return needed
	}
	fmt.Fprintf(s.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && answer == "" { // the terminal's input is at its end
		fmt.Fprintln(s.err)
		return needed
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &toldError{fmt.Errorf("nothing was changed")}
}

func isTerminalReader(r io.Reader) bool {
	w, ok := r.(io.Writer) // a file is both
	return ok && isTerminal(w)
}

// A progress tells on standard error what takes long: on a terminal in one line that is drawn again, elsewhere in lines.
//
// It is safe for concurrent use.
type progress struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	drawn time.Time // when the line was drawn last
	open  bool      // the line has no end yet
}

func (s *streams) progress() *progress { return &progress{w: s.err, terminal: isTerminal(s.err)} }

// redraw is how often the line is drawn again.
const redraw = 100 * time.Millisecond

// say tells a line.
func (p *progress) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintln(p.w, strings.Map(printable, line))
}

// bytes tells how far a transfer has come, on a terminal.
func (p *progress) bytes(what string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.terminal || time.Since(p.drawn) < redraw && done < total {
		return
	}
	p.drawn, p.open = time.Now(), true
	text := fmt.Sprintf("%s: %s", what, size(done))
	if total > 0 {
		text += fmt.Sprintf(" of %s (%d%%)", size(total), done*100/total)
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", text)
}

// end ends the line that is drawn again.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.open = false
	}
}
