package wrapper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Errors to the platform's error classes. Pure. The table is the Python wrapper's (failures.py) in Go's words:
//
//	class             retryable  HTTP  when
//	VALIDATION_ERROR  no         422   data that does not fit the handler's argument, text that is no number;
//	                                   400: no event at all
//	RUNTIME_ERROR     no         422   any other error, a panic, a result that is not JSON
//	TRANSIENT_ERROR   yes        500   the network did not do its part, a deadline of the parser's own
//	SYSTEM_ERROR      yes        500   no memory, no space, no descriptors; 503: no room, or shutting down
//	TIMEOUT_ERROR     yes        504   the parser took longer than TIMEOUT_SECONDS
//
// An error that has a method `Retryable() bool` decides for itself. Why 422: a Knative trigger retries 5xx and sends
// other statuses to the dead-letter sink at once (docs/decisions/0020-function-error-status.md).

const maxMessageCharacters = 2000

// failure is why a call has no result; kind is the metrics' error_type.
type failure struct {
	code      string
	message   string
	retryable bool
	status    int
	kind      string
	stack     string
}

// panicked is a panic of the parser, with the stack of where it happened.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// mismatch says that the event's data does not fit the handler's argument.
type mismatch struct{ cause error }

func (m *mismatch) Error() string {
	return "the event's data does not fit the handler: " + m.cause.Error()
}

func fromError(err error) *failure {
	code, kind := classify(err)
	var chosen interface{ Retryable() bool }
	if errors.As(err, &chosen) {
		switch permanent := code == "RUNTIME_ERROR" || code == "VALIDATION_ERROR"; {
		case chosen.Retryable() && permanent:
			code = "TRANSIENT_ERROR"
		case !chosen.Retryable() && !permanent:
			code = "RUNTIME_ERROR"
		}
	}
	made := &failure{code: code, message: cut(describe(err)), kind: kind, status: 422}
	if code == "TRANSIENT_ERROR" || code == "SYSTEM_ERROR" {
		made.retryable, made.status = true, 500
	}
	var fallen *panicked
	if errors.As(err, &fallen) {
		made.stack = fallen.stack
	}
	return made
}

func timedOut(seconds float64, limit string) *failure {
	message := fmt.Sprintf("the handler did not return within %.3g s (%s)", seconds, limit)
	return &failure{code: "TIMEOUT_ERROR", message: message, retryable: true, status: 504, kind: "timeout"}
}

// pastDeadline is the failure of an event that came after its own deadline; a retry would come later still.
func pastDeadline() *failure {
	const message = "the event came after its metadata.deadlineAt; the handler was not called"
	return &failure{code: "TIMEOUT_ERROR", message: message, status: 504, kind: "timeout"}
}

func invalidRequest(message string) *failure {
	return &failure{code: "VALIDATION_ERROR", message: cut(message), status: 400, kind: "request"}
}

func saturated(limit int) *failure {
	message := fmt.Sprintf("%d calls are running (MAX_CONCURRENCY) and none ended in time", limit)
	return &failure{code: "SYSTEM_ERROR", message: message, retryable: true, status: 503, kind: "other"}
}

func shuttingDown() *failure {
	message := "the instance is shutting down"
	return &failure{code: "SYSTEM_ERROR", message: message, retryable: true, status: 503, kind: "other"}
}

func resultNotJSON(err error) *failure {
	const remedy = "return maps with text keys, structs, slices, texts, finite numbers, booleans and nil"
	message := fmt.Sprintf("the handler's result is not JSON: %v; %s", err, remedy)
	return &failure{code: "RUNTIME_ERROR", message: cut(message), status: 422, kind: "runtime"}
}

func classify(err error) (code, kind string) {
	var (
		unfit    *mismatch
		number   *strconv.NumError
		badType  *json.UnmarshalTypeError
		badJSON  *json.SyntaxError
		errno    syscall.Errno
		network  net.Error
		resolver *net.DNSError
	)
	switch {
	case errors.As(err, &unfit), errors.As(err, &number), errors.As(err, &badType), errors.As(err, &badJSON):
		return "VALIDATION_ERROR", "validation"
	case errors.As(err, &errno) && exhausted(errno):
		return "SYSTEM_ERROR", "other"
	case errors.Is(err, fs.ErrPermission):
		return "RUNTIME_ERROR", "permission"
	case errors.Is(err, fs.ErrNotExist) && !errors.As(err, &resolver), errors.Is(err, fs.ErrExist):
		return "RUNTIME_ERROR", "runtime"
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &errno) && unreachable(errno):
		return "TRANSIENT_ERROR", "network"
	}
	return "RUNTIME_ERROR", "runtime"
}

func exhausted(errno syscall.Errno) bool {
	switch errno {
	case syscall.ENOSPC, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EDQUOT:
		return true
	}
	return false
}

func unreachable(errno syscall.Errno) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN:
		return true
	}
	return false
}

// describe returns the error's text after its type, where that is one of the parser's own.
func describe(err error) string {
	switch name := fmt.Sprintf("%T", err); name {
	case "*errors.errorString", "*fmt.wrapError", "*wrapper.panicked", "*wrapper.mismatch":
		return err.Error()
	default:
		return name + ": " + err.Error()
	}
}

func cut(text string) string {
	if len(text) <= maxMessageCharacters {
		return text
	}
	return string([]rune(text[:maxMessageCharacters]))
}
