package ovsdb

import (
	"context"
	"errors"

	"github.com/ovn-kubernetes/libovsdb/client"
)

// Find returns a row that has the index of the given one, or nil.
func Find[T any](ctx context.Context, c *Client, row *T) (*T, error) {
	err := c.Get(ctx, row)
	if errors.Is(err, client.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row, nil
}
