// Package parser does what the event asks for: the Go third of the conformance suite's parser.
package parser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

type chosen struct {
	cause     error
	retryable bool
}

func (c chosen) Error() string   { return "chosen" }
func (c chosen) Unwrap() error   { return c.cause }
func (c chosen) Retryable() bool { return c.retryable }

// Handler does what the event asks for.
func Handler(ctx context.Context, event map[string]any) (any, error) {
	switch event["do"] {
	case "echo":
		return map[string]any{"data": event["value"]}, nil
	case "facts":
		return facts(ctx), nil
	case "metadata":
		return ctx.Value("metadata"), nil
	case "validation":
		return strconv.Atoi("not a number")
	case "runtime":
		return nil, errors.New("missing")
	case "panic":
		return event["do"].(int), nil
	case "network":
		return nil, fmt.Errorf("calling out: %w", syscall.ECONNREFUSED)
	case "exhausted":
		return nil, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	case "permission":
		return nil, os.ErrPermission
	case "retryable":
		return nil, chosen{nil, true}
	case "permanent":
		return nil, chosen{syscall.ECONNRESET, false}
	case "exit":
		runtime.Goexit()
	case "not_json":
		return map[string]any{"value": math.NaN()}, nil
	case "wrapped":
		return map[string]any{"statusCode": 202, "body": map[string]int{"a": 1}}, nil
	case "unwrapped":
		return map[string]any{"statusCode": 202, "more": 1}, nil
	case "nothing":
		return nil, nil
	case "log":
		fmt.Println("printed")
		slog.WarnContext(ctx, "logged", "n", event["n"])
		return nil, nil
	case "hold":
		fmt.Println("holding")
		for !exists(event["until"].(string)) {
			time.Sleep(5 * time.Millisecond)
		}
		return "finished", nil
	case "late":
		time.Sleep(time.Duration(event["seconds"].(float64) * float64(time.Second)))
		return nil, nil
	case "hang":
		fmt.Println("hanging")
		for {
			_ = strconv.Itoa(1)
		}
	}
	return nil, fmt.Errorf("%v is no action", event["do"])
}

func facts(ctx context.Context) map[string]any {
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"function":    ctx.Value("function_name"),
		"namespace":   ctx.Value("function_namespace"),
		"third_party": ctx.Value("third_party_id"),
		"parser":      ctx.Value("parser_id"),
		"invocation":  ctx.Value("invocation_id"),
		"correlation": ctx.Value("correlation_id"),
		"traceparent": ctx.Value("traceparent"),
		"cold_start":  ctx.Value("cold_start"),
		"event_id":    ctx.Value("id"),
		"remaining":   time.Until(deadline).Seconds(),
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
