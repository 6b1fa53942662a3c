// Package parser is the smallest parser in Go: what the event brings comes back in a greeting.
package parser

// Handler gets the event's data and returns what becomes the answer's body.
func Handler(event map[string]any) (map[string]any, error) {
	name, named := event["name"].(string)
	if !named {
		name = "world"
	}
	return map[string]any{"greeting": "Hello, " + name + "!", "received": event}, nil
}
