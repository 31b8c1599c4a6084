package vtl

import "strings"

func matchText(s string) int {
	if n := strings.IndexAny(s, `$#\`); n >= 0 {
		return n
	}
	return len(s)
}

func matchAny(s string) int { return min(len(s), 1) }

func matchSpace(s string) int {
	for i := range len(s) {
		if c := s[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return i
		}
	}
	return len(s)
}

// matchString finds the end of a string: a quote that is not doubled. Where the end is missing, the last of the doubled ones is it.
func matchString(s string) int {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return 0
	}
	longest := 0
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		longest = i + 1
		if i+1 >= len(s) || s[i+1] != s[0] {
			break
		}
		i++
	}
	return longest
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func sign(s string) int {
	if strings.HasPrefix(s, "-") {
		return 1
	}
	return 0
}

func matchInteger(s string) int {
	i := sign(s)
	n := digits(s[i:])
	if n == 0 {
		return 0
	}
	if i += n; strings.HasPrefix(s[i:], "..") {
		i += 2
	}
	return i
}

func matchFloat(s string) int {
	i := sign(s)
	whole := digits(s[i:])
	i += whole
	if i < len(s) && s[i] == '.' {
		fraction := digits(s[i+1:])
		if whole == 0 && fraction == 0 {
			return 0
		}
		i += 1 + fraction
		return i + exponent(s[i:])
	}
	if e := exponent(s[i:]); whole > 0 && e > 0 {
		return i + e
	}
	return 0
}

func exponent(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	i := 1
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	n := digits(s[i:])
	if n == 0 {
		return 0
	}
	return i + n
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func wordTail(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '_' || s[n] == '@') {
		n++
	}
	return n
}

func matchWord(s string) int {
	if s == "" || !isLetter(s[0]) && s[0] != '_' && s[0] != '@' {
		return 0
	}
	return wordTail(s)
}

func matchBracketedWord(s string) int {
	if len(s) < 3 || s[0] != '{' || !isLetter(s[1]) && s[1] != '_' && s[1] != '@' {
		return 0
	}
	n := 1 + wordTail(s[1:])
	if n < len(s) && s[n] == '}' {
		return n + 1
	}
	return 0
}

func matchIdentifier(s string) int {
	if s == "" || !isLetter(s[0]) && s[0] != '_' {
		return 0
	}
	n := 1
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '_' || s[n] == '-') {
		n++
	}
	return n
}

func matchDot(s string) int {
	if len(s) > 1 && s[0] == '.' && isLetter(s[1]) {
		return 2
	}
	return 0
}

func matchEmptyIndex(s string) int {
	for _, text := range [...]string{"$[", "$![", `$\![`, "$."} {
		if strings.HasPrefix(s, text) {
			return len(text)
		}
	}
	return 0
}
