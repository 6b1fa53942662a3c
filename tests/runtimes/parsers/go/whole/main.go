// Package main reads source, type and data from its argument; nobody can import it.
package main

type event struct {
	Source  string  `json:"source"`
	Type    string  `json:"type"`
	Subject *string `json:"subject"`
	Data    any     `json:"data"`
}

func handler(received event) event { return received }
