package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/peer"
	"github.com/btcsuite/btcd/wire/v2"
)

// commands runs until stdin closes and ends the program then, so that a test
// that dies leaves no process behind.
func (n *node) commands(in *bufio.Scanner) {
	// A transaction arrives as one line of hex.
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 {
			continue
		}
		if err := n.command(words[0], words[1:]); err != nil {
			n.emit("error", fields{"command": words[0], "error": err.Error()})
		}
	}
	os.Exit(0)
}

func (n *node) command(name string, args []string) error {
	act, err := n.action(name, args)
	if err != nil {
		return err
	}
	peers := n.connected()
	if len(peers) == 0 {
		return errors.New("no connection")
	}
	for _, p := range peers {
		if err := act(p); err != nil {
			return err
		}
	}
	return nil
}

type action func(*peer.Peer) error

// queue is the action of sending one message.
func queue(msg wire.Message) action {
	return func(p *peer.Peer) error {
		p.QueueMessage(msg, nil)
		return nil
	}
}

// action parses one command line.
func (n *node) action(name string, args []string) (action, error) {
	switch {
	case name == "ping" && len(args) == 0:
		return queue(wire.NewMsgPing(uint64(time.Now().UnixNano()))), nil
	case name == "inv" && len(args) == 2:
		return announce(args)
	case name == "getdata" && len(args) == 2:
		return getData(args)
	case name == "tx" && len(args) == 1:
		return n.offer(args[0])
	case name == "addr" && len(args) == 1:
		return addresses(args[0])
	case name == "addrv2" && len(args) == 1:
		return addressesV2(args[0])
	case name == "getaddr" && len(args) == 0:
		return queue(wire.NewMsgGetAddr()), nil
	case name == "getheaders" && len(args) == 0:
		return n.getHeaders()
	case name == "stats" && len(args) == 0:
		return n.stats, nil
	case name == "disconnect" && len(args) == 0:
		return func(p *peer.Peer) error { p.Disconnect(); return nil }, nil
	}
	return nil, errors.New("unknown command or wrong arguments")
}

func item(args []string) (*wire.InvVect, error) {
	hash, err := chainhash.NewHashFromStr(args[0])
	if err != nil {
		return nil, err
	}
	kind, ok := kinds[args[1]]
	if !ok {
		return nil, errors.New("unknown kind " + strconv.Quote(args[1]))
	}
	return wire.NewInvVect(kind, hash), nil
}

func announce(args []string) (action, error) {
	iv, err := item(args)
	return func(p *peer.Peer) error { p.QueueInventory(iv); return nil }, err
}

func getData(args []string) (action, error) {
	iv, err := item(args)
	if err != nil {
		return nil, err
	}
	msg := wire.NewMsgGetData()
	return queue(msg), msg.AddInvVect(iv)
}

// offer keeps a transaction for getdata and announces it.
func (n *node) offer(text string) (action, error) {
	var tx wire.MsgTx
	if err := tx.Deserialize(hex.NewDecoder(strings.NewReader(text))); err != nil {
		return nil, err
	}
	hash := tx.TxHash()
	n.mu.Lock()
	n.txs[hash] = &tx
	n.mu.Unlock()
	return announce([]string{hash.String(), "tx"})
}

// getHeaders asks from the genesis block.  It does not use PushGetHeadersMsg,
// which is silent when the same question is asked twice.
func (n *node) getHeaders() (action, error) {
	msg := wire.NewMsgGetHeaders()
	return queue(msg), msg.AddBlockLocatorHash(n.params.GenesisHash)
}

func (n *node) stats(p *peer.Peer) error {
	s := p.StatsSnapshot()
	n.emit("stats", fields{"id": s.ID, "addr": s.Addr, "services": uint64(s.Services),
		"bytes_sent": s.BytesSent, "bytes_received": s.BytesRecv, "version": s.Version,
		"user_agent": s.UserAgent, "inbound": s.Inbound, "starting_height": s.StartingHeight,
		"last_block": s.LastBlock, "last_ping_micros": s.LastPingMicros, "v2": s.V2Connection})
	return nil
}

func count(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > 5000) {
		err = errors.New("not within 1..5000")
	}
	return n, err
}

// routable gives the i-th of a row of public addresses spread over many
// networks, because address managers keep few of one network.
func routable(i int) net.IP {
	return net.IPv4(byte(11+i%100), byte(1+i/100), 1, byte(1+i%250)).To4()
}

func addresses(text string) (action, error) {
	total, err := count(text)
	if err != nil {
		return nil, err
	}
	list := make([]*wire.NetAddress, total)
	for i := range list {
		list[i] = wire.NewNetAddressTimestamp(time.Now(), wire.SFNodeNetwork|wire.SFNodeWitness,
			routable(i), 8333)
	}
	return func(p *peer.Peer) error { _, err := p.PushAddrMsg(list); return err }, nil
}

// addressesV2 mixes IPv4, IPv6 and Tor; btcd's wire package knows no others.
func addressesV2(text string) (action, error) {
	total, err := count(text)
	if err != nil {
		return nil, err
	}
	list := make([]*wire.NetAddressV2, total)
	for i := range list {
		raw := []byte(routable(i))
		switch i % 3 {
		case 1:
			raw = append([]byte{0x2a, 0x01, 0x04}, make([]byte, 13)...)
			raw[3], raw[14], raw[15] = byte(i), byte(i>>8), byte(i)
		case 2:
			raw = make([]byte, wire.TorV3Size)
			raw[0], raw[1] = byte(i>>8), byte(i)
		}
		list[i] = wire.NetAddressV2FromBytes(time.Now(), wire.SFNodeNetwork|wire.SFNodeWitness, raw, 8333)
	}
	return func(p *peer.Peer) error { _, err := p.PushAddrV2Msg(list); return err }, nil
}
