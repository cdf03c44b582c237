<?php
// Prints which tokens of the vectors the recipe believes.
require 'recipe.php';
$believed = [];
foreach (json_decode(file_get_contents($argv[1]), true)['vectors'] as ['name' => $name, 'token' => $token]) {
    try {
        $believed[$name] = keyturn_claims($token)['user_id'] === 7;
    } catch (Exception $refused) {
        $believed[$name] = false;
    }
}
echo json_encode($believed);
