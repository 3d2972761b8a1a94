// btcd-peer drives btcd's peer package as a counterparty for interop tests.
//
//	btcd-peer listen ADDR [--v2] [--network regtest|simnet|mainnet]
//	btcd-peer dial   ADDR [--v2] [--network regtest|simnet|mainnet]
//
// It prints one JSON line per event and reads one command per line on stdin.
// The commands act on every connected peer; see README.md for the list.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/peer"
	"github.com/btcsuite/btcd/wire/v2"
)

// Announcements leave on this tick.  btcd itself uses ten seconds, which would
// only make tests slow.
const trickle = 100 * time.Millisecond

var networks = map[string]*chaincfg.Params{
	"regtest": &chaincfg.RegressionNetParams,
	"simnet":  &chaincfg.SimNetParams,
	"mainnet": &chaincfg.MainNetParams,
}

var kinds = map[string]wire.InvType{
	"tx": wire.InvTypeTx, "block": wire.InvTypeBlock,
	"filtered_block": wire.InvTypeFilteredBlock,
	"witness_tx":     wire.InvTypeWitnessTx, "witness_block": wire.InvTypeWitnessBlock,
}

// node is the whole program: its settings, its connected peers and the
// transactions it serves.
type node struct {
	params *chaincfg.Params
	v2     bool

	printing sync.Mutex
	mu       sync.Mutex
	seq      int
	peers    map[int]*peer.Peer
	txs      map[chainhash.Hash]*wire.MsgTx
}

// config is for one connection, which is called conn in the events: the peer
// package numbers a peer only once its version has arrived.
func (n *node) config(conn int, v2 bool) *peer.Config {
	services := wire.SFNodeNetwork | wire.SFNodeWitness
	if v2 {
		services |= wire.SFNodeP2PV2
	}
	return &peer.Config{
		UserAgentName: "btcd-peer", UserAgentVersion: "1.0.0",
		ChainParams: n.params, Services: services, UsingV2Conn: v2,
		TrickleInterval: trickle, AllowSelfConns: true,
		Listeners: n.listeners(conn),
	}
}

// listeners reports through OnRead and OnWrite, which see every message, also
// those of the handshake and those that have no callback of their own.
func (n *node) listeners(conn int) peer.MessageListeners {
	return peer.MessageListeners{
		OnRead: func(_ *peer.Peer, size int, msg wire.Message, err error) {
			n.report("message", conn, size, msg, err)
		},
		OnWrite: func(_ *peer.Peer, size int, msg wire.Message, err error) {
			n.report("sent", conn, size, msg, err)
		},
		OnVerAck: func(p *peer.Peer, _ *wire.MsgVerAck) {
			n.emit("established", fields{"conn": conn, "inbound": p.Inbound(),
				"addr": p.Addr(), "version": p.ProtocolVersion(),
				"services": uint64(p.Services()), "user_agent": p.UserAgent(),
				"v2": p.StatsSnapshot().V2Connection, "wants_addrv2": p.WantsAddrV2()})
		},
		OnGetData: n.answerGetData,
		// We have no chain, so an empty answer is the true one.
		OnGetHeaders: func(p *peer.Peer, _ *wire.MsgGetHeaders) {
			p.QueueMessage(wire.NewMsgHeaders(), nil)
		},
	}
}

func (n *node) answerGetData(p *peer.Peer, msg *wire.MsgGetData) {
	missing := wire.NewMsgNotFound()
	for _, iv := range msg.InvList {
		n.mu.Lock()
		tx := n.txs[iv.Hash]
		n.mu.Unlock()
		switch {
		case tx != nil && iv.Type == wire.InvTypeTx:
			p.QueueMessageWithEncoding(tx, nil, wire.BaseEncoding)
		case tx != nil && iv.Type == wire.InvTypeWitnessTx:
			p.QueueMessageWithEncoding(tx, nil, wire.WitnessEncoding)
		default:
			_ = missing.AddInvVect(iv)
		}
	}
	if len(missing.InvList) > 0 {
		p.QueueMessage(missing, nil)
	}
}

// add remembers a peer before it gets its socket, so that a command sent right
// after "established" reaches it.
func (n *node) add(conn int, p *peer.Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers[conn] = p
}

// attend waits for the end of one connection and reports it.
func (n *node) attend(conn int, p *peer.Peer) {
	p.WaitForDisconnect()
	n.mu.Lock()
	delete(n.peers, conn)
	n.mu.Unlock()
	n.emit("disconnected", fields{"conn": conn, "addr": p.Addr()})
}

func (n *node) connected() []*peer.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*peer.Peer
	for _, p := range n.peers {
		out = append(out, p)
	}
	return out
}

func (n *node) next() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seq++
	return n.seq
}

func (n *node) listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	n.emit("listening", fields{"addr": ln.Addr().String()})
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		conn := n.next()
		n.emit("accepted", fields{"conn": conn, "addr": c.RemoteAddr().String()})
		p := peer.NewInboundPeer(n.config(conn, n.v2))
		n.add(conn, p)
		p.AssociateConnection(c)
		go n.attend(conn, p)
	}
}

// dial ends with the connection.  Like btcd's server it dials a second time
// without encryption when the other side hangs up on the first key.
func (n *node) dial(addr string, v2 bool) error {
	conn := n.next()
	p, err := peer.NewOutboundPeer(n.config(conn, v2), addr)
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	n.emit("dialled", fields{"conn": conn, "addr": addr, "v2": v2})
	n.add(conn, p)
	p.AssociateConnection(c)
	n.attend(conn, p)
	if !p.ShouldDowngradeToV1() {
		return nil
	}
	n.emit("downgrade", fields{"conn": conn, "addr": addr})
	return n.dial(addr, false)
}

// settings reads the flags that follow the address; package flag would want
// them in front of it.
func (n *node) settings(args []string) error {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--v2":
			n.v2 = true
		case args[i] == "--network" && i+1 < len(args) && networks[args[i+1]] != nil:
			i++
			n.params = networks[args[i]]
		default:
			return errors.New("bad argument " + strconv.Quote(args[i]))
		}
	}
	return nil
}

func main() {
	n := &node{params: networks["regtest"], peers: map[int]*peer.Peer{},
		txs: map[chainhash.Hash]*wire.MsgTx{}}
	if len(os.Args) < 3 || n.settings(os.Args[3:]) != nil {
		fmt.Fprintln(os.Stderr, "usage: btcd-peer listen|dial ADDR [--v2] [--network regtest|simnet|mainnet]")
		os.Exit(2)
	}
	go n.commands(bufio.NewScanner(os.Stdin))
	var err error
	switch os.Args[1] {
	case "listen":
		err = n.listen(os.Args[2])
	case "dial":
		err = n.dial(os.Args[2], n.v2)
	default:
		err = errors.New("neither listen nor dial")
	}
	if err != nil {
		n.emit("error", fields{"error": err.Error()})
		os.Exit(1)
	}
}
