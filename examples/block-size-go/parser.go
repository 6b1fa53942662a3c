// Package parser says in words how large a block is: typed data, the context, and one dependency.
package parser

import (
	"context"
	"errors"
	"log/slog"

	"github.com/dustin/go-humanize"
)

// Block is the data of the event.
type Block struct {
	Parameters struct {
		BlockID string `json:"blockId"`
		Bytes   uint64 `json:"bytes"`
	} `json:"parameters"`
}

// Size is the answer's body.
type Size struct {
	Block    string `json:"block"`
	Size     string `json:"size"`
	Function any    `json:"function"`
}

// Handler describes one block. Data that does not fit Block is a validation error before it is called.
func Handler(ctx context.Context, block Block) (Size, error) {
	if block.Parameters.BlockID == "" {
		return Size{}, errors.New("parameters.blockId is missing")
	}
	slog.InfoContext(ctx, "block seen", "block", block.Parameters.BlockID)
	return Size{
		Block:    block.Parameters.BlockID,
		Size:     humanize.Bytes(block.Parameters.Bytes),
		Function: ctx.Value("function_name"),
	}, nil
}
