package access

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// Check says whether the tokens and access keys among documents of a store can be read: one that cannot would be in the way of all. It
// leaves others alone, and secrets sealed. What is wrong has Kind Invalid.
func Check(documents map[host.Key][]byte) error {
	for key, value := range documents {
		token, accessKey := strings.HasPrefix(string(key), "tokens/"), strings.HasPrefix(string(key), "keys/")
		if !token && !accessKey {
			continue
		}
		d, err := parse(host.Entry{Key: key, Value: value})
		if err != nil || d.Role == 0 || token && d.Hash == "" || accessKey && len(d.Secret) == 0 {
			return &host.Error{Op: fmt.Sprintf("access: %.80q", key), Kind: host.Invalid, Err: errors.New("the document is damaged, or of a newer version of Postern")}
		}
	}
	return nil
}
