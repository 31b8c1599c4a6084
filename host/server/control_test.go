package server

import "testing"

// What leads into the store is in the host's own variables, and no function may have it.
func TestSecretsSeeNoSettings(t *testing.T) {
	t.Setenv("POSTERN_NATS", "nats://user:password@127.0.0.1")
	t.Setenv("DB_PASSWORD", "s3cret")
	if value, ok := secretEnv("POSTERN_NATS"); ok || value != "" {
		t.Error("a setting of the host is readable")
	}
	if value, ok := secretEnv("DB_PASSWORD"); !ok || value != "s3cret" {
		t.Error("a variable that is meant for functions is not")
	}
}
