// Package roles gives the tests' manager the rights that the project's roles give the operator, and no others.
package roles

import (
	"context"
	"errors"
	"fmt"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// Manager adds a user with the roles of these files to a control plane, and returns its configuration.
func Manager(env *envtest.Environment, admin client.Client, files ...string) (*rest.Config, error) {
	const name = "manager"
	user, err := env.AddUser(envtest.User{Name: name}, &rest.Config{QPS: 1000, Burst: 1000})
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		role := &rbacv1.ClusterRole{}
		if err := yaml.UnmarshalStrict(data, role); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		role.Name = "test-" + role.Name // an installation, which a test may apply, has the others
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
		}
		if err := errors.Join(admin.Create(context.Background(), role), admin.Create(context.Background(), binding)); err != nil {
			return nil, err
		}
	}
	return user.Config(), nil
}
