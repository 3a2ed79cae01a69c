package ovsdb

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/cenkalti/rpc2"
)

// rpc returns the JSON-RPC connection that libovsdb uses at present, nil while there is none.
//
// RFC 7047 ties a lock to the connection that took it, and libovsdb 0.8.1 has no call for locks nor a way to send one
// of our own over its connection; so its field is read here. A release of libovsdb that has renamed the fields makes
// TestOnlyTheHolderOfTheLockWrites fail, and a controller says so at its start and writes nothing.
func (c *Client) rpc() (*rpc2.Client, error) {
	inner := reflect.Indirect(reflect.ValueOf(c.Client))
	mutex, err := field[sync.RWMutex](inner, "rpcMutex")
	if err != nil {
		return nil, err
	}
	connection, err := field[*rpc2.Client](inner, "rpcClient")
	if err != nil {
		return nil, err
	}
	mutex.RLock()
	defer mutex.RUnlock()
	return *connection, nil
}

// field returns a pointer to a field of a struct, which may be one of another package's.
func field[T any](of reflect.Value, name string) (*T, error) {
	if of.Kind() == reflect.Struct && of.CanAddr() {
		if f := of.FieldByName(name); f.IsValid() && f.Type() == reflect.TypeFor[T]() {
			return (*T)(unsafe.Pointer(f.UnsafeAddr())), nil
		}
	}
	return nil, fmt.Errorf("%w: it has no field %s of type %s", errUnknownClient, name, reflect.TypeFor[T]())
}

var errUnknownClient = errors.New("this program was built with a release of libovsdb that it does not know")
