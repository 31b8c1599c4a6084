// Package document reads YAML and JSON into trees of values with their places.
package document
