// Package parser takes the event alone, and gives its data back.
package parser

// Handler gives the data back.
func Handler(event any) (map[string]any, error) {
	return map[string]any{"data": event}, nil
}
