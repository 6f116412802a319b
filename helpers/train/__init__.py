"""Arrays to models: losses, models, augmentation, fitting, seeding, tracking, tuning."""
