// An apiserver of Kubernetes, and in the same process the etcd that it keeps things in, both on loopback.
// Takes a folder for etcd, and after it whatever kube-apiserver takes.
package main

import (
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	etcd, err := store(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	command := app.NewAPIServerCommand()
	command.SetArgs(append(os.Args[2:], "--etcd-servers=http://"+etcd))
	os.Exit(cli.Run(command))
}

// The address at which etcd answers.
func store(folder string) (string, error) {
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	given := embed.NewConfig()
	given.Dir = folder
	given.LogLevel = "error"
	given.UnsafeNoFsync = true
	given.EnableGRPCGateway = false
	given.ListenClientUrls, given.AdvertiseClientUrls = anywhere, anywhere
	given.ListenPeerUrls, given.AdvertisePeerUrls = anywhere, anywhere
	given.InitialCluster = given.InitialClusterFromName(given.Name)
	etcd, err := embed.StartEtcd(given)
	if err != nil {
		return "", err
	}
	<-etcd.Server.ReadyNotify()
	return etcd.Clients[0].Addr().String(), nil
}
