// Package parser waits as long as it is told to, and can be stopped.
package parser

import (
	"context"
	"fmt"
	"time"
)

type wait struct {
	Seconds float64 `json:"seconds"`
}

// Parse waits.
func Parse(event wait, ctx context.Context) (map[string]float64, error) {
	select {
	case <-ctx.Done():
		fmt.Println("stopped")
		return nil, ctx.Err()
	case <-time.After(time.Duration(event.Seconds * float64(time.Second))):
		return map[string]float64{"waited": event.Seconds}, nil
	}
}
