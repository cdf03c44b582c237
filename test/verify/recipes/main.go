// Prints which tokens of the vectors the recipe believes.
package main

import (
	"encoding/json"
	"os"

	"example.com/recipe/auth"
)

func main() {
	var file struct {
		Vectors []struct{ Name, Token string }
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil || json.Unmarshal(text, &file) != nil {
		os.Exit(1)
	}
	believed := map[string]bool{}
	for _, vector := range file.Vectors {
		claims, err := auth.Verify(vector.Token)
		believed[vector.Name] = err == nil && claims.UserID == 7
	}
	_ = json.NewEncoder(os.Stdout).Encode(believed)
}
